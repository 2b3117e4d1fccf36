-- A manager has two executors do the work: lines in the chat, their tasks at hunks, and all of it on a
-- branch. The repository has a commit.
local function git(...)
  local said = vim.fn.system { 'git', ... }
  same({ vim.v.shell_error, vim.v.shell_error == 0 or said }, { 0, true })
  return said
end

test(function()
  local before, buffer = text(), vim.api.nvim_get_current_buf()
  wait('the client', running)
  vim.cmd 'BoxAgnts ask have it done'
  wait('the end of the turn', was_said ':BoxAgnts review')
  has(table.concat(said, '\n'), 'all 2 executors have finished: 2 hunks')
  wait('the chat', function()
    return chat():find('Both are done.', 1, true) ~= nil
  end)
  has(chat(), '✓ create one.txt with "first": done')
  has(chat(), '✓ replace half with middle in invoice.py: done')

  -- Each hunk says whose it is.
  wait('marks', function()
    return #marked(buffer) == 1
  end)
  vim.cmd 'BoxAgnts quickfix'
  local listed
  wait('the list', function()
    listed = vim.tbl_map(function(item) return item.text end, vim.fn.getqflist())
    return #listed == 2
  end)
  listed = table.concat(listed, '\n')
  has(listed, '(create one.txt with "first")')
  has(listed, '(replace half with middle in invoice.py)')
  vim.cmd 'cclose'

  vim.cmd 'BoxAgnts branch agent/half What both did'
  wait('the branch', was_said 'agent/half is at commit')
  has(table.concat(said, '\n'), 'with 2 files')
  same(git('log', '--format=%s', '-1', 'agent/half'), 'What both did\n')
  same(git('show', 'agent/half:one.txt'), 'first\n')
  has(git('show', 'agent/half:invoice.py'), 'middle = total / 2')
  same(vim.trim(git('rev-parse', '--abbrev-ref', 'HEAD')), 'main')
  same(table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n') .. '\n', before)
  same(#marked(buffer), 1)

  -- A branch that is there is not touched.
  vim.cmd 'BoxAgnts branch agent/half'
  wait('the refusal', was_said 'exists already')
end)
