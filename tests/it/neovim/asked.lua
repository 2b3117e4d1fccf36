-- What a model asks: one choice, words, several choices, words alone, and no answer.
test(function()
  local choices = { 'the first one', 'In your words', 'Third', 'First', 'Done' }
  local words = { 'neither', 'because' }
  vim.ui.select = function(items, choice, done)
    table.insert(questions, choice.prompt)
    local wanted = table.remove(choices, 1)
    for _, item in ipairs(items) do
      if wanted and choice.format_item(item):find(wanted, 1, true) then
        return done(item)
      end
    end
    done(nil)
  end
  vim.ui.input = function(_, done)
    -- Not at once, as users answer.
    vim.defer_fn(function()
      done(table.remove(words, 1))
    end, 20)
  end
  wait('the client', running)
  vim.cmd 'BoxAgnts ask what do you think?'
  wait('the end of the turn', happened 'turn_ended')
  local answers = {}
  for _, update in ipairs(updates) do
    if update.event == 'answered' then
      table.insert(answers, update.answer)
    end
  end
  -- Several stand in the order of the question.
  same(answers, {
    { kind = 'given', choices = { 'First' } },
    { kind = 'given', text = 'neither' },
    { kind = 'given', choices = { 'First', 'Third' } },
    { kind = 'given', text = 'because' },
    { kind = 'dismissed' },
  })
  same(questions[1], 'Which one?')

  vim.cmd 'BoxAgnts ask /mode plan'
  wait('the mode', function()
    return plugin.statusline():find('mode plan', 1, true) ~= nil
  end)
end)
