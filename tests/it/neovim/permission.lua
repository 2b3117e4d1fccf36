-- A tool call that a rule asks about is asked about; later Neovims wait until nobody types.
test(function()
  answer = 'Allow once'
  wait('the client', running)
  local later = vim.fn.has 'nvim-0.9' == 1
  if later then
    -- Insert mode lasts while `x` is processed: the question comes in the middle of it.
    function Typing()
      vim.cmd 'BoxAgnts ask rename both functions'
      wait('the wait', was_said 'leave insert mode')
      same(questions, {})
    end
    press 'Gotyped<Cmd>lua Typing()<CR> on<Esc>'
    has(text(), 'typed on')
  else
    vim.cmd 'BoxAgnts ask rename both functions'
  end
  wait('the end of the turn', happened 'turn_ended')
  same(#questions, 1)
  has(questions[1], 'Let it run?')
  wait_marked { 'h1 at 1', 'h2 at 6' }
end)
