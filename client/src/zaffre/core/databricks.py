"""There is no Databricks; importing this says what to do instead."""

from zaffre.absent import absent

raise absent(__name__, "Name packages in an Environment, and submit the script to a compute target of the studio.")
