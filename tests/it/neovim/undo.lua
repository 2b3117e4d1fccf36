-- An edit that comes while the user is in insert mode is a step of undo by itself, and loses none.
test(function()
  wait('the client', running)
  local before = text()
  vim.bo.formatoptions = ''
  function Apply()
    local handler = vim.lsp.get_client_by_id(plugin.client_id()).handlers['workspace/applyEdit']
    local range = { start = { line = 6, character = 0 }, ['end'] = { line = 7, character = 0 } }
    local edit = { range = range, newText = 'fn second() {}\n' }
    local params = { edit = { changes = { [vim.uri_from_bufnr(0)] = { edit } } } }
    same(handler(nil, params, { client_id = plugin.client_id() }).applied, true)
  end
  local keys = '2Goone<Cmd>lua Apply()<CR>two<CR>three<Esc>'
  vim.api.nvim_feedkeys(vim.api.nvim_replace_termcodes(keys, true, false, true), 'ntx', false)
  local with = 'fn one() {}\n// a\n%s\n// b\n// c\n// d\n%s\n'
  same(text(), with:format('onetwo\nthree', 'fn second() {}'))
  vim.cmd 'undo'
  same(text(), with:format('one', 'fn second() {}'))
  vim.cmd 'undo'
  same(text(), with:format('one', 'fn two() {}'))
  vim.cmd 'undo'
  same(text(), before)
end)
