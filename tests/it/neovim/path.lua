-- A new user's way: ask, look at what streams, accept one hunk, reject one with a comment, undo.
test(function()
  local before = text()
  vim.api.nvim_buf_set_keymap(0, 'n', 'gha', ':let g:own = 1<CR>', {})
  wait('the client', running)
  vim.cmd 'BoxAgnts ask rename total to sum in invoice.py'
  wait('the end of the turn', happened 'turn_ended')

  -- The chat is at the side, and the cursor where it was.
  has(vim.api.nvim_buf_get_name(0), 'invoice.py')
  wait('the chat', function()
    return chat():find '%*done' ~= nil
  end)
  has(chat(), '## 1. rename total to sum in invoice.py')
  has(chat(), '✓ edit invoice.py')
  has(chat(), '│ ')
  local window = vim.fn.bufwinid 'boxagnts://chat'
  vim.api.nvim_win_call(window, function()
    vim.fn.search('^✓ edit')
    local line = vim.fn.line '.'
    same(vim.fn.foldclosed(line), line)
    has(vim.fn.foldtextresult(line), 'edit invoice.py')
  end)
  has(plugin.statusline(), 'review, 3 hunks')
  wait('the notice', was_said '3 hunks in 1 file: :BoxAgnts review')

  -- Hunks are marked and in no text.
  wait_marked { 'h1 at 2', 'h2 at 10', 'h3 at 19' }
  same(text(), before)
  same(shown(), { 'sum = 0', 'half = sum / 2', 'print(sum, half)', "print('paid', sum)" })

  -- From hunk to hunk, and back.
  press 'gg]h'
  same(vim.api.nvim_win_get_cursor(0)[1], 2)
  press ']h]h[h'
  same(vim.api.nvim_win_get_cursor(0)[1], 10)

  press '[hgha'
  wait('the first hunk', happened 'decided')
  same(text(), (before:gsub('total = 0', 'sum = 0')))
  wait_marked { 'h2 at 10', 'h3 at 19' }

  vim.api.nvim_win_set_cursor(0, { 19, 0 })
  vim.cmd 'BoxAgnts reject the last line stays'
  wait('the rejection', happened('decided', 2))
  same(updates[#updates].comment or updates[#updates - 1].comment, 'the last line stays')
  wait_marked { 'h2 at 10' }
  wait('the decisions in the chat', function()
    return chat():find('rejected h3: the last line stays', 1, true) ~= nil
  end)
  has(chat(), '- accepted h1')
  has(plugin.statusline(), 'review, 1 hunk')

  vim.cmd 'BoxAgnts undo'
  wait('the undo', happened 'undone')
  same(text(), before)
  wait_marked { 'h1 at 2', 'h2 at 10' }

  -- Without hunks the user's own mapping is back, and none of ours is anywhere.
  vim.cmd 'BoxAgnts reject h2'
  vim.cmd 'BoxAgnts accept h1'
  wait_marked {}
  press 'gha'
  same(vim.g.own, 1)
  same(vim.fn.maparg(']h', 'n'), '')
  vim.cmd 'undo'
  same(text(), before)

  -- What waits when Neovim ends waits when it comes back.
  vim.cmd 'BoxAgnts repropose h2'
  wait_marked { 'h2 at 10' }
end)
