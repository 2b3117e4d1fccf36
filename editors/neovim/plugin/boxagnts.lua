-- The command `:BoxAgnts`. Everything else is loaded when it is first used.

if vim.g.loaded_boxagnts then
  return
end
vim.g.loaded_boxagnts = true

if vim.fn.has 'nvim-0.7' == 0 then
  vim.api.nvim_err_writeln 'BoxAgnts needs Neovim 0.7 or later'
  return
end

vim.api.nvim_create_user_command('BoxAgnts', function(call)
  require('boxagnts.commands').run(call)
end, {
  nargs = '*',
  range = true,
  desc = 'Ask BoxAgnts, and decide on what it proposes',
  complete = function(...)
    return require('boxagnts.commands').complete(...)
  end,
})
