;;; resume.el --- Emacs was started again: the session goes on  -*- lexical-binding: t -*-

(test-run
 (lambda ()
   (find-file "invoice.py")
   (boxagnts)
   (setq test-answers '("rename total to sum"))
   (boxagnts-sessions)
   (test-wait "its hunk" (equal (test-hunks) '(3)))
   (boxagnts-ask "create note.txt with hello")
   (test-wait "the second turn" (test-happened "turn_ended"))
   (let ((began (car (cl-member "turn_started" test-updates
                                :key (lambda (update) (plist-get update :event))
                                :test #'equal))))
     (test-same (plist-get began :turn) 2)
     (unless (string-search "the last line stays" (plist-get began :context))
       (error "The comment is lost: %S" began)))
   (boxagnts-accept-all)
   (test-wait "all of it" (file-exists-p "note.txt"))
   (test-wait "the hunk" (string-search "sum = 0\n" (buffer-string)))))
;;; resume.el ends here
