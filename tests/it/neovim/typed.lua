-- What a person at a terminal has in their configuration, for the test that types.

vim.o.number = true
vim.o.undolevels = 1000
-- Messages that want Enter would take keys that are meant for the text.
vim.o.shortmess = vim.o.shortmess .. 'F'
vim.o.cmdheight = 2
-- Python's own rules would end the block behind `return`.
vim.bo.indentexpr = ''
vim.bo.autoindent = true
-- Versions differ in whether a line above a comment is one, too.
vim.bo.formatoptions = ''

vim.wait(60000, function()
  return require('boxagnts.client').ready
end, 20)
vim.o.laststatus = 2
vim.o.statusline = '%f %m %l:%c ready'
