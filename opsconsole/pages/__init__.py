"""The console's own pages, one noun a file, each declared with `pages.base.page`; `pages.urls` lists the files."""
