test(function()
  wait('the client', running)
  vim.cmd 'BoxAgnts ask rename both functions'
  wait('the end of the turn', happened 'turn_ended')
  -- The user goes on typing.
  vim.api.nvim_buf_set_lines(0, 2, 3, false, { '// b, typed', '// and more' })
  vim.cmd 'BoxAgnts quickfix'
  wait('the list', function()
    return #vim.fn.getqflist() == 2
  end)
  same(vim.fn.getqflist()[2].lnum, 7)
  -- Neovim may go to the chat, which is beside.
  vim.cmd 'cclose | 1wincmd w'
  vim.api.nvim_win_set_cursor(0, { 7, 0 })
  vim.cmd 'BoxAgnts accept'
  wait('the decision', happened 'decided')
  same(text(), 'fn one() {}\n// a\n// b, typed\n// and more\n// c\n// d\nfn second() {}\n')
  -- One step of undo takes it back.
  vim.cmd 'undo'
  same(text(), 'fn one() {}\n// a\n// b, typed\n// and more\n// c\n// d\nfn two() {}\n')
end)
