"""The mailer sends mails to users: links for a new password, and notices."""
