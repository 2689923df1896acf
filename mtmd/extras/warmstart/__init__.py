"""Days whose training goes on from the champion's: `[extras.warmstart]`."""
