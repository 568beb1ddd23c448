"""The supervisor behind `make up`: embedded engines, processes, set-up. It never imports Django."""
