;;; path.el --- A new user's way by Eglot  -*- lexical-binding: t -*-

(test-run
 (lambda ()
   (find-file "invoice.py")
   (let ((before (buffer-string)))
     (boxagnts)
     (boxagnts-ask "rename total to sum in invoice.py")
     ;; The server asks what to do with all of it; nobody answers.
     (test-wait "the end of the turn" (test-happened "turn_ended"))
     (test-wait "the question" test-questions)
     (test-wait "three hunks" (equal (test-hunks) '(2 10 19)))
     (test-same (buffer-string) before)

     (test-act 2 "Accept hunk h1")
     (test-wait "the first hunk" (test-happened "decided"))
     (test-same (buffer-string) (string-replace "total = 0" "sum = 0" before))
     (test-wait "two hunks" (equal (test-hunks) '(10 19)))

     (boxagnts-reject '("h3") "the last line stays")
     (test-wait "the rejection" (test-happened "decided" 2))
     (test-same (plist-get (car (cl-member "decided" test-updates
                                           :key (lambda (update) (plist-get update :event))
                                           :test #'equal))
                           :comment)
                "the last line stays")
     (test-wait "one hunk" (equal (test-hunks) '(10)))

     (boxagnts-undo)
     (test-wait "the undo" (test-happened "undone"))
     (test-same (buffer-string) before)
     (test-wait "what was taken back" (equal (test-hunks) '(2 10)))

     ;; Its text is nobody's but the editor's, also when the server is killed.
     (goto-char (point-min))
     (insert "# typed\n")
     (let* ((server (eglot-current-server))
            (process (jsonrpc--process server)))
       (signal-process process 'SIGKILL)
       ;; Not only that of its process: Eglot hears of that a little later.
       (test-wait "its end" (not (eq server (eglot-current-server))))
       ;; Eglot starts another by itself only where the server had lived for some seconds.
       (unless (eglot-current-server)
         (boxagnts))
       (test-wait "another server"
                  (let ((now (eglot-current-server)))
                    (and now (not (eq now server)) (eglot--server-info now)))))
     (test-wait "its hunks" (equal (test-hunks) '(3 11)))
     (test-act 11 "Accept hunk h2")
     (test-wait "the second hunk" (test-happened "decided" 3))
     (test-same (buffer-string)
                (concat "# typed\n"
                        (string-replace "half = total / 2\nprint(total, half)"
                                        "half = sum / 2\nprint(sum, half)" before)))
     ;; The editor saves, not the server.
     (test-same (with-temp-buffer (insert-file-contents "invoice.py") (buffer-string)) before)
     (save-buffer))))
;;; path.el ends here
