-- Marks follow what is typed; ranges, files and conflicts are what the server says.
test(function()
  wait('the client', running)
  vim.cmd 'BoxAgnts ask rename both functions'
  wait_marked { 'h1 at 1', 'h2 at 6' }
  vim.api.nvim_buf_set_lines(0, 0, 0, false, { '// above', '// all' })
  wait_marked { 'h1 at 3', 'h2 at 8' }

  -- What does not fit is a conflict, and no longer is one when it is taken back.
  vim.api.nvim_buf_set_lines(0, 2, 3, false, { 'fn mine() {}' })
  wait('a conflict', function()
    return plugin.statusline():find('1 in conflict', 1, true) ~= nil
  end)
  vim.api.nvim_buf_set_lines(0, 2, 3, false, { 'fn one() {}' })
  wait('no conflict', function()
    return not plugin.statusline():find('conflict', 1, true)
  end)
  wait_marked { 'h1 at 3', 'h2 at 8' }

  -- Another buffer of the file's has no mappings once it is gone; others never had.
  vim.cmd 'edit README'
  same(vim.fn.maparg('gha', 'n'), '')
  press ':BoxAgnts next<CR>'
  has(vim.api.nvim_buf_get_name(0), 'a.rs')
  same(vim.api.nvim_win_get_cursor(0)[1], 3)

  -- Another text for a hunk.
  vim.cmd 'BoxAgnts amend h1'
  wait('its text', function()
    return text() == 'fn first() {}\n'
  end)
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { 'fn prime() {}' })
  vim.cmd 'write'
  wait('the amendment', was_said 'h1 proposes your text')
  vim.cmd 'close'
  wait('the new text', function()
    return vim.deep_equal(shown(), { 'fn prime() {}', 'fn second() {}' })
  end)

  -- Those in a range, at once.
  vim.cmd '1,$BoxAgnts accept'
  wait('the decision', happened 'decided')
  same(text(), '// above\n// all\nfn prime() {}\n// a\n// b\n// c\n// d\nfn second() {}\n')
  wait_marked {}

  -- The session is forked, named and chosen again.
  vim.cmd 'BoxAgnts rename both names'
  wait('the name', was_said 'now called: both names')
  local first = require('boxagnts.session').current
  vim.cmd 'BoxAgnts fork'
  wait('the fork', function()
    return require('boxagnts.session').current ~= first
  end)
  answer = 'both names'
  said = {}
  vim.cmd 'BoxAgnts sessions'
  wait('the question', function()
    return #questions > 0
  end)
  wait('the session', was_said 'nothing waits')
end)
