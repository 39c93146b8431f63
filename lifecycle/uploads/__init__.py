"""What people bring from elsewhere: received into the store, inspected by a child process, kept for some days.

Nothing of an upload is trusted. It lies apart from backups, the process that serves pages never parses it, and what is
restored is the document that the inspection made of it, in our own form.
"""
