import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/jetbrains-mono/wght.css";
import "uplot/dist/uPlot.min.css";
import "./css/tokens.css";
import "./css/base.css";
import "./css/frame.css";
import "./css/parts.css";
import "./css/live.css";
import "./css/table.css";
import "./css/charts.css";
import "./css/compare.css";
import "./css/life.css";
import "./css/files.css";
import "./css/tensorboard.css";

import htmx from "htmx.org";

import "./elements/small.js";
import "./elements/live-chart.js";
import "./elements/series-chart.js";
import "./elements/chart-settings.js";
import "./elements/chart-full.js";
import "./elements/chart-board.js";
import "./elements/log-tail.js";
import "./elements/live-run.js";
import "./elements/logged-items.js";
import "./elements/live-feed.js";
import "./elements/file-drop.js";
import "./elements/filter-box.js";
import "./elements/run-table.js";
import "./elements/list-find.js";
import "./elements/score-form.js";
import "./elements/tensor-board.js";
import "./elements/mlflow-link.js";
import "./elements/compare-plot.js";
import "./elements/compare-tools.js";
import "./elements/compare-eyes.js";
import "./elements/report-form.js";
import "./elements/run-page.js";
import "./lazy.js";
import "./elements/run-edits.js";
import "./frame.js";
import "./keys.js";
import "./palette.js";
import "./places.js";
import "./typed.js";

// The page's policy allows neither injected styles nor evaluated text.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
htmx.config.selfRequestsOnly = true;
// The title shows the state of the run; an answer that replaces a part of the page must not reset it.
htmx.config.ignoreTitle = true;
