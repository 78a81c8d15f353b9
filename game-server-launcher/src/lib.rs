//! Starts game servers, keeps them alive, lists them at the login server.
