// Loaded into a service by --require: a signal makes it fail as a fault of its own would.
process.on('SIGUSR2', () => { throw new Error('a fatal test') })
