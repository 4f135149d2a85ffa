/**
 * What a home directory holds, as services: keys, packages, records, and what was learnt of
 * publishers. Needs no network and loads none of it, since every command begins with these.
 */
import * as Layer from "effect/Layer"
import * as NodeHasher from "./crypto/NodeHasher.ts"
import * as OfflineNode from "./OfflineNode.ts"
import * as FileBlacklist from "./store/FileBlacklist.ts"
import * as FileObservations from "./store/FileObservations.ts"
import * as FilePackageStore from "./store/FilePackageStore.ts"
import * as FilePageStore from "./store/FilePageStore.ts"
import * as FileProofs from "./store/FileProofs.ts"
import * as FilePublicationLog from "./store/FilePublicationLog.ts"
import * as FileRecordStore from "./store/FileRecordStore.ts"
import * as FileTrustBook from "./store/FileTrustBook.ts"

/** All stores of a home directory, and the platform under them. */
export const layer = (options: OfflineNode.Options) =>
  Layer.mergeAll(
    FilePackageStore.layer,
    FileRecordStore.layer,
    FilePageStore.layer,
    FileObservations.layer,
    FileProofs.layer,
    FileBlacklist.layer,
    FilePublicationLog.layer,
    FileTrustBook.layer,
    NodeHasher.layer
  ).pipe(Layer.provideMerge(OfflineNode.keystore(options)))
