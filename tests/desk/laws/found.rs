//! Faults that the laws found, each as its shortest history.
