"""Charts as SVG: pure functions from figures to text. Colours are classes, which the page gives a style."""
