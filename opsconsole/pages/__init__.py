"""The console's own pages: one noun a file. Each page is declared with `pages.base.page`; `pages.urls` lists the files."""
