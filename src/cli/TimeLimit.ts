/** How long the work of a command may take where `--timeout` does not say it, and what that may say at most. */
export const DEFAULT_SECONDS = 60
export const MAX_SECONDS = 24 * 60 * 60
