//! Who may log in: accounts, passwords, sessions, launchers.
