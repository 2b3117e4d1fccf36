-- Neovim was started again: the session goes on, with its past, its hunks and its comments.
test(function()
  vim.cmd 'BoxAgnts resume'
  wait_marked { 'h2 at 10' }
  wait('the past', function()
    return chat():find 'rejected h3: the last line stays' ~= nil
  end)
  has(chat(), '## 1. rename total to sum in invoice.py')
  has(plugin.statusline(), 'review, 1 hunk')

  -- The next prompt is one of the same session, and hears of the comment.
  vim.cmd 'BoxAgnts ask create note.txt with hello'
  wait('the second turn', happened 'turn_ended')
  for _, update in ipairs(updates) do
    if update.event == 'turn_started' then
      same(update.turn, 2)
      has(update.context, 'the last line stays')
    end
  end
  vim.cmd 'BoxAgnts review'
  wait('the review', function()
    return vim.api.nvim_buf_get_name(0):find('boxagnts://review', 1, true) ~= nil
  end)
  local review = text()
  has(review, '2 hunks in 2 files')
  has(review, '-half = total / 2\n-print(total, half)\n+half = sum / 2\n+print(sum, half)\n')
  has(review, 'note.txt (new)')
  has(review, '+hello\n')

  -- Decisions in the review: on a hunk, and on a file by its name.
  vim.fn.search '^-half'
  press 'gha'
  wait('the hunk', happened('decided', 1))
  wait('one hunk less', function()
    return text():find '1 hunk in 1 file' ~= nil
  end)
  vim.fn.search '^note.txt'
  press 'gha'
  wait('the file', happened('decided', 2))
  wait('nothing', function()
    return text():find '0 hunks in 0 files' ~= nil
  end)
  same(vim.fn.readfile 'note.txt', { 'hello' })
  press 'q'
  has(vim.api.nvim_buf_get_name(0), 'invoice.py')
  has(text(), 'half = sum / 2\nprint(sum, half)\n')
end)
