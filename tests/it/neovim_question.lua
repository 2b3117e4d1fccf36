test(function()
  answer = 'Accept all'
  wait('the client', function()
    local client = vim.lsp.get_client_by_id(plugin.client)
    return client and client.initialized
  end)
  vim.cmd 'BoxAgnts rename both functions'
  wait('the decision', happened 'decided')
  same(#questions, 1)
  same(text(), 'fn first() {}\n// a\n// b\n// c\n// d\nfn second() {}\n')
end)
