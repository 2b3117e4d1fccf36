-- With `questions`, the server asks by itself what to do when a turn ends.
test(function()
  answer = 'Accept all'
  wait('the client', running)
  vim.cmd 'BoxAgnts ask rename both functions'
  wait('the decision', happened 'decided')
  same(#questions, 1)
  same(text(), 'fn first() {}\n// a\n// b\n// c\n// d\nfn second() {}\n')
end, { questions = true })
