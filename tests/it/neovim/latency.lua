-- Measures from the key that accepts a hunk to its text in the buffer; writes the times in
-- milliseconds.
test(function()
  wait('the client', running)
  vim.cmd 'BoxAgnts ask rename both functions'
  wait_marked { 'h1 at 1', 'h2 at 6' }
  local changed
  vim.api.nvim_buf_attach(0, false, {
    on_lines = function()
      changed = changed or vim.loop.hrtime()
    end,
  })
  local times = {}
  for _ = 1, 50 do
    vim.api.nvim_win_set_cursor(0, { 1, 0 })
    changed = nil
    local pressed = vim.loop.hrtime()
    press 'gha'
    -- Looked at often: how often is part of what is measured.
    vim.wait(60000, function()
      return changed ~= nil
    end, 1)
    table.insert(times, (changed - pressed) / 1e6)
    wait_marked { 'h2 at 6' }
    vim.cmd 'BoxAgnts undo'
    wait_marked { 'h1 at 1', 'h2 at 6' }
  end
  io.stderr:write('TIMES ' .. vim.json.encode(times) .. '\n')
end)
