-- What the server asks Neovim for: edits, answers of the user, and to hear what happens.

local M = {}

-- Whether the user has typed since the server made an edit. Neovim itself would say that it applied
-- such an edit, and not do it. Later versions have no such list, and tell the truth.
local function is_stale(edit)
  local versions = vim.fn.has 'nvim-0.11' == 0 and vim.lsp.util.buf_versions or {}
  for _, change in ipairs(edit.documentChanges or {}) do
    local document = change.textDocument
    if document and type(document.version) == 'number' then
      if (versions[vim.uri_to_bufnr(document.uri)] or 0) > document.version then
        return true
      end
    end
  end
  return false
end

local function apply_edit(err, params, context, config)
  if is_stale(params.edit) then
    return { applied = false, failureReason = 'the buffer has changed' }
  end
  -- In insert mode Neovim loses track of what undo takes back when other lines change: what was
  -- typed before, the edit, and what is typed next become steps of their own.
  vim.cmd 'let &g:undolevels = &g:undolevels'
  local answer = vim.lsp.handlers['workspace/applyEdit'](err, params, context, config)
  vim.cmd 'let &g:undolevels = &g:undolevels'
  if vim.api.nvim_get_mode().mode:match '^i' then
    local keys = vim.api.nvim_replace_termcodes('<C-g>u', true, false, true)
    vim.api.nvim_feedkeys(keys, 'ni', false)
  end
  return answer
end

-- Waits until nobody types into a buffer: what is typed must not answer a question.
local function until_typing_ends(co)
  if not vim.api.nvim_get_mode().mode:match '^[iR]' then
    return
  end
  vim.notify('BoxAgnts asks; leave insert mode to answer', vim.log.levels.WARN)
  vim.api.nvim_create_autocmd('InsertLeave', {
    once = true,
    callback = function()
      vim.schedule(function()
        coroutine.resume(co)
      end)
    end,
  })
  coroutine.yield()
end

-- What the user answers by something of `vim.ui`.
local function answer_of(co, by)
  vim.fn.inputsave()
  by(function(answer)
    -- Not before the wait begins, where the answer comes at once.
    vim.schedule(function()
      coroutine.resume(co, answer)
    end)
  end)
  vim.fn.inputrestore()
  return coroutine.yield()
end

local function choice_of(co, items, prompt, title)
  local choose = {
    prompt = prompt,
    kind = 'boxagnts',
    format_item = function(item)
      return (title(item):gsub('[\r\n]+', ' '))
    end,
  }
  return answer_of(co, function(answered)
    vim.ui.select(items, choose, answered)
  end)
end

-- Asks by `vim.ui.select`, which may show anything and take any time. Neovim 0.7 wants the answer at
-- once, so there it is a numbered list.
local function ask(err, params, context, config)
  local co, is_main = coroutine.running()
  if not co or is_main then
    vim.fn.inputsave()
    local answer = vim.lsp.handlers['window/showMessageRequest'](err, params, context, config)
    vim.fn.inputrestore()
    return answer
  end
  until_typing_ends(co)
  return choice_of(co, params.actions or {}, params.message, function(action)
    return action.title
  end) or vim.NIL
end

local IN_WORDS, DONE = 'In your words…', 'Done'

-- What the model asks: choices, more than one where they are wanted, and words. Only where answers may
-- take their time (`questions_take_time`).
local function question(_, params)
  local co = coroutine.running()
  until_typing_ends(co)
  local text = params.question
  if type(params.detail) == 'string' then
    text = text .. '\n\n' .. params.detail
  end
  local left, chosen, words = {}, {}, nil
  for _, choice in ipairs(params.choices or {}) do
    table.insert(left, choice)
  end
  local only_words = #left == 0
  if params.allow_free_text and not only_words then
    table.insert(left, { in_words = true, label = IN_WORDS })
  end
  while not only_words do
    local choice = choice_of(co, left, text, function(choice)
      local means = choice.description
      local has_meaning = type(means) == 'string' and means ~= ''
      return has_meaning and ('%s: %s'):format(choice.label, means) or choice.label
    end)
    if not choice then
      return vim.NIL
    end
    if choice.in_words then
      break
    end
    if choice.done then
      return { choices = chosen }
    end
    table.insert(chosen, choice.label)
    if not params.multi_select then
      return { choices = chosen }
    end
    left = vim.tbl_filter(function(other)
      return other ~= choice and not other.done
    end, left)
    table.insert(left, { done = true, label = DONE })
  end
  words = answer_of(co, function(answered)
    vim.ui.input({ prompt = text:gsub('[\r\n]+', ' ') .. ' ' }, answered)
  end)
  if not words or vim.trim(words) == '' then
    return vim.NIL
  end
  -- An empty table would be sent as an object.
  return { choices = #chosen > 0 and chosen or nil, text = words }
end

-- Whether a question may be answered later than at once.
M.questions_take_time = vim.fn.has 'nvim-0.9' == 1

M.all = {
  ['workspace/applyEdit'] = apply_edit,
  ['window/showMessageRequest'] = ask,
  ['boxagnts/question'] = question,
  ['boxagnts/update'] = function(_, update)
    require('boxagnts.session').on_update(update)
  end,
  ['boxagnts/schedules'] = function(_, params)
    require('boxagnts.schedules').on_schedules(params)
  end,
}

return M
