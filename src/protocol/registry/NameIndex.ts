/**
 * The shared record of a name: the claims of everybody who publishes it, signed by the name key
 * that anyone can derive.
 *
 * Since anyone may overwrite it, nothing in it is believed that is not a claim signed by its own
 * publisher. {@link read} unites it with what peers hand on and with what is remembered; {@link join}
 * and {@link mend} read, merge, put with compare-and-swap and read again; {@link serve} hands claims on
 * to those who ask. So no write is lost for good while anybody remembers it.
 */
import type * as NameClaim from "./NameClaim.ts"
import * as NameIndexRecord from "./NameIndexRecord.ts"

export { PAGES_MAX, read, type ReadOptions, type Snapshot, TREE_DEADLINE } from "./NameIndexRead.ts"
export { CLAIMS_MAX } from "./NameIndexRecord.ts"
export { type ClaimsView, prune, type Pruned, type Rules } from "./NameIndexView.ts"
export { join, mend, WRITE_TRIES } from "./NameIndexWrite.ts"
export { TOPIC_DEADLINE, VERIFY_MAX } from "./TopicClaims.ts"
export { serve, serveAll } from "./TopicServe.ts"

/** The value of a name index with these claims; the pages that it may need are those of `NameIndexRecord.make`. */
export const toBytes = (claims: NameClaim.ClaimSet): Uint8Array => NameIndexRecord.make(claims).value
