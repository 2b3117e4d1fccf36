-- What a person at a terminal has in their configuration, for the picture.
vim.o.termguicolors = true
vim.o.number = true
vim.o.signcolumn = 'yes'
vim.o.shortmess = vim.o.shortmess .. 'FI'
vim.o.statusline = "%f %m%=%{v:lua.require'boxagnts'.statusline()}  %l,%c "
