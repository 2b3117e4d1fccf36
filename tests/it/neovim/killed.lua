-- The server is killed in the middle of a turn that has proposed something: its user is told, starts
-- it again, and goes on where they were.
test(function()
  wait('the client', running)
  vim.cmd 'BoxAgnts ask rename both functions'
  wait_marked { 'h1 at 1', 'h2 at 6' }
  has(plugin.statusline(), 'running')
  local session = require('boxagnts.session').current
  local turns = #updates
  -- Unsaved text is nobody's but the editor's.
  vim.api.nvim_buf_set_lines(0, 1, 1, false, { '// typed' })
  kill_server()
  wait('the message', was_said 'the server has ended (signal 9)')
  has(table.concat(said, '\n'), ':BoxAgnts restart')
  same(marked(), {})
  same(plugin.statusline(), 'BoxAgnts: ended')
  has(chat(), 'the server has ended')

  -- Nothing is asked of a server that is not there.
  said = {}
  vim.cmd 'BoxAgnts accept h1'
  wait('what to do', was_said ':BoxAgnts restart')
  same(plugin.client_id(), nil)

  vim.cmd 'BoxAgnts restart'
  wait('the server', was_said 'the server is back; 2 hunks as before')
  wait_marked { 'h1 at 1', 'h2 at 7' }
  same(require('boxagnts.session').current, session)
  assert(turns > 0)
  vim.cmd 'BoxAgnts accept h2'
  wait('the decision', happened 'decided')
  same(text(), 'fn one() {}\n// typed\n// a\n// b\n// c\n// d\nfn second() {}\n')
  wait('the chat', function()
    return chat():find('- accepted h2', 1, true) ~= nil
  end)
  has(chat(), '## 1. rename both functions')
end)
