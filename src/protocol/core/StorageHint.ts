/** What to do about a disk that takes nothing. Which way it fails is told by the system's words alone. */

const FULL = /ENOSPC|EDQUOT|disk is full/
const READ_ONLY = /EROFS|readonly database/

const FULL_HINT =
  "The disk is full. Make room with ls-cli store prune, or by removing <home>/downloads, which has only what was half fetched; then run the command again."
const READ_ONLY_HINT = "Its file system is read-only: name another home with --home or $LIBRESEED_HOME."

/** The hint of a failure that `problem` tells of; `otherwise` where that is another one. */
export const of = (problem: string, otherwise: string): string =>
  FULL.test(problem) ? FULL_HINT : READ_ONLY.test(problem) ? READ_ONLY_HINT : otherwise
