"""Charts as SVG: pure functions from figures to text. Colors are CSS classes that the page styles."""
