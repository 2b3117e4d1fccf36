-- BoxAgnts for Neovim 0.7 and later, with nothing but its own LSP client.
--
--   require 'boxagnts'.setup { cmd = { 'boxagnts', 'lsp' } }
--   :BoxAgnts rename total to sum        ask; with a range, about the selected lines
--   :BoxAgntsReview                      hunks of the latest session in the quickfix list
--   :BoxAgntsAccept [all|h1 h2 …]        without arguments: the hunk under the cursor
--   :BoxAgntsReject [all|h1 h2 …]
--
-- The server asks what to do when a turn ends with a proposal, so the commands are a convenience.

local M = { session = nil, client = nil }

local function request(command, argument, done)
  local client = M.client and vim.lsp.get_client_by_id(M.client)
  if not client then
    return vim.notify('boxagnts is not running', vim.log.levels.ERROR)
  end
  -- Without a buffer, pending changes of all buffers are sent first: the answer is about the text
  -- that the user sees.
  client.request('workspace/executeCommand', { command = command, arguments = { argument } }, function(err, result)
    if err then
      vim.notify('boxagnts: ' .. err.message, vim.log.levels.ERROR)
    elseif done then
      done(result)
    end
  end)
end

local function with_proposal(done)
  if not M.session then
    return vim.notify('boxagnts: ask first', vim.log.levels.WARN)
  end
  request('boxagnts.proposal', { session = M.session }, done)
end

local function waits(hunk)
  return hunk.state == 'pending' or hunk.state == 'conflicted'
end

function M.ask(prompt, range)
  local argument = { prompt = prompt, textDocument = { uri = vim.uri_from_bufnr(0) } }
  if range then
    argument.range = {
      start = { line = range[1] - 1, character = 0 },
      ['end'] = { line = range[2], character = 0 },
    }
  end
  request('boxagnts.ask', argument, function(result)
    M.session = result.session
  end)
end

function M.review()
  with_proposal(function(proposal)
    local items = {}
    for _, file in ipairs(proposal.files) do
      for _, hunk in ipairs(file.hunks) do
        if waits(hunk) then
          local text = (hunk.new_text ~= '' and hunk.new_text or hunk.old_text):match '[^\n]*'
          table.insert(items, {
            filename = vim.uri_to_fname(file.uri),
            lnum = hunk.range.start.line + 1,
            text = ('%s %s: %s'):format(hunk.id, hunk.state, hunk.note or text),
          })
        end
      end
    end
    vim.fn.setqflist({}, ' ', { title = 'BoxAgnts ' .. proposal.session, items = items })
    vim.cmd(#items > 0 and 'copen' or 'cclose')
  end)
end

-- Decides on the given hunks, on all, or on the one under the cursor.
function M.decide(command, words)
  local function send(argument)
    argument.session = M.session
    request(command, argument)
  end
  if words[1] == 'all' then
    return send { all = true }
  elseif #words > 0 then
    return send { hunks = words }
  end
  local here, line = vim.uri_from_bufnr(0), vim.api.nvim_win_get_cursor(0)[1] - 1
  with_proposal(function(proposal)
    for _, file in ipairs(proposal.files) do
      for _, hunk in ipairs(file.uri == here and file.hunks or {}) do
        if waits(hunk) and line >= hunk.range.start.line and line <= hunk.range['end'].line then
          return send { hunks = { hunk.id } }
        end
      end
    end
    vim.notify('boxagnts: no hunk waits here', vim.log.levels.WARN)
  end)
end

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

local function attach(options, buffer)
  if vim.bo[buffer].buftype ~= '' or vim.api.nvim_buf_get_name(buffer) == '' then
    return
  end
  if not (M.client and vim.lsp.get_client_by_id(M.client)) then
    local git = vim.fn.finddir('.git', vim.fn.getcwd() .. ';')
    local root = git ~= '' and vim.fn.fnamemodify(git, ':p:h:h') or vim.fn.getcwd()
    -- It can do this, and does not say so: edits come with the version that they are made for.
    local capabilities = vim.lsp.protocol.make_client_capabilities()
    capabilities.workspace.workspaceEdit.documentChanges = true
    M.client = vim.lsp.start_client {
      name = 'boxagnts',
      capabilities = capabilities,
      -- Edits are made for the text of now, not for that of a moment ago.
      flags = { debounce_text_changes = 0 },
      cmd = options.cmd or { 'boxagnts', 'lsp' },
      root_dir = options.root_dir or root,
      workspace_folders = { { uri = vim.uri_from_fname(options.root_dir or root), name = 'workspace' } },
      init_options = options.settings,
      handlers = vim.tbl_extend('force', {
        ['workspace/applyEdit'] = apply_edit,
        ['boxagnts/update'] = function(_, update)
          if options.on_update then
            options.on_update(update)
          end
        end,
      }, options.handlers or {}),
    }
  end
  vim.lsp.buf_attach_client(buffer, M.client)
end

function M.setup(options)
  options = options or {}
  local group = vim.api.nvim_create_augroup('boxagnts', {})
  vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile' }, {
    group = group,
    callback = function(event)
      attach(options, event.buf)
    end,
  })
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buffer) then
      attach(options, buffer)
    end
  end
  local command = vim.api.nvim_create_user_command
  command('BoxAgnts', function(c)
    M.ask(c.args, c.range > 0 and { c.line1, c.line2 } or nil)
  end, { nargs = '+', range = true })
  command('BoxAgntsReview', M.review, {})
  command('BoxAgntsAccept', function(c)
    M.decide('boxagnts.accept', c.fargs)
  end, { nargs = '*' })
  command('BoxAgntsReject', function(c)
    M.decide('boxagnts.reject', c.fargs)
  end, { nargs = '*' })
end

return M
