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
  local choose = {
    prompt = params.message,
    kind = 'boxagnts',
    format_item = function(action)
      return (action.title:gsub('[\r\n]+', ' '))
    end,
  }
  vim.fn.inputsave()
  vim.ui.select(params.actions or {}, choose, function(action)
    -- Not before the wait begins, where the answer comes at once.
    vim.schedule(function()
      coroutine.resume(co, action or vim.NIL)
    end)
  end)
  vim.fn.inputrestore()
  return coroutine.yield()
end

M.all = {
  ['workspace/applyEdit'] = apply_edit,
  ['window/showMessageRequest'] = ask,
  ['boxagnts/update'] = function(_, update)
    require('boxagnts.session').on_update(update)
  end,
}

return M
