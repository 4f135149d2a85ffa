/**
 * `@libreseed/protocol`: a software package registry that nobody runs, as a pure Effect library.
 *
 * Services (`Dht`, `Swarm`, `Keystore`, …) are classes; everything else is a module of functions
 * beside its type. Layers that bring the services to life are in `@libreseed/protocol/node`, those
 * in memory in `@libreseed/protocol/testing`.
 */
export * as Base58 from "./core/Base58.ts"
export * as Bencode from "./core/Bencode.ts"
export * as CanonicalJson from "./core/CanonicalJson.ts"
export * as Deadline from "./core/Deadline.ts"
export * as Digest from "./core/Digest.ts"
export { Ed25519 } from "./core/Ed25519.ts"
export * as Errors from "./core/Errors.ts"
export { Hasher } from "./core/Hasher.ts"
export * as Infohash from "./core/Infohash.ts"
export * as KeyPair from "./core/KeyPair.ts"
export {
  DEFAULT_KEY_NAME,
  type KeyEntry,
  KeyDamaged,
  KeyExists,
  KeyExposed,
  KeyName,
  KeyNotFound,
  Keystore,
  KeystoreError,
  KeystoreUnavailable,
  parseKeyName
} from "./core/Keystore.ts"
export * as PackageName from "./core/PackageName.ts"
export * as PackageSpec from "./core/PackageSpec.ts"
export * as PeerAddress from "./core/PeerAddress.ts"
export * as PublicKey from "./core/PublicKey.ts"
export * as Retry from "./core/Retry.ts"
export * as Shape from "./core/Shape.ts"
export * as VerifiedSignatures from "./core/VerifiedSignatures.ts"
export * as Version from "./core/Version.ts"
export { type Answer, Dht, type PutReceipt } from "./dht/Dht.ts"
export * as DhtErrors from "./dht/DhtError.ts"
export { DhtError } from "./dht/DhtError.ts"
export * as KeyString from "./dht/KeyString.ts"
export { PageStore, PageStoreError } from "./dht/PageStore.ts"
export * as Quorum from "./dht/Quorum.ts"
export * as Record from "./dht/Record.ts"
export { RecordStore, RecordStoreError } from "./dht/RecordStore.ts"
export { type TopicAnswer, TopicPeers } from "./dht/TopicPeers.ts"
export * as Tree from "./dht/Tree.ts"
export * as TreeErrors from "./dht/TreeError.ts"
export * as Announce from "./registry/Announce.ts"
export * as AnnounceDocument from "./registry/AnnounceDocument.ts"
export * as DependencyErrors from "./registry/DependencyError.ts"
export { DependencyError } from "./registry/DependencyError.ts"
export * as DependencyGraph from "./registry/DependencyGraph.ts"
export * as DependencyTree from "./registry/DependencyTree.ts"
export * as Evidence from "./registry/Evidence.ts"
export * as Freshness from "./registry/Freshness.ts"
export * as LockFile from "./registry/LockFile.ts"
export * as Lookup from "./registry/Lookup.ts"
export * as Manifest from "./registry/Manifest.ts"
export * as NameClaim from "./registry/NameClaim.ts"
export * as NameIndex from "./registry/NameIndex.ts"
export { Observations, ObservationsError } from "./registry/Observations.ts"
export * as Package from "./registry/Package.ts"
export * as Policy from "./registry/Policy.ts"
export { type Proof, Proofs, ProofsError } from "./registry/Proofs.ts"
export { PublicationLog } from "./registry/PublicationLog.ts"
export * as Publish from "./registry/Publish.ts"
export { type Pin, PublisherTrust, type Revoked } from "./registry/PublisherTrust.ts"
export * as RegistryErrors from "./registry/RegistryError.ts"
export { RegistryError } from "./registry/RegistryError.ts"
export * as Release from "./registry/Release.ts"
export * as RePut from "./registry/RePut.ts"
export * as RePutBatch from "./registry/Batch.ts"
export type * as RePutEvent from "./registry/RePutEvent.ts"
export * as RePutHealth from "./registry/RePutHealth.ts"
export * as RePutSchedule from "./registry/RePutSchedule.ts"
export { RePutState, RePutStateError } from "./registry/RePutState.ts"
export * as Requirement from "./registry/Requirement.ts"
export * as Resolve from "./registry/Resolve.ts"
export * as Retract from "./registry/Retract.ts"
export { Seeders } from "./registry/Seeders.ts"
export { Blacklist } from "./swarm/Blacklist.ts"
export { type Content, StorageFailed } from "./swarm/Content.ts"
export * as FetchRelease from "./swarm/FetchRelease.ts"
export { PackageStore, type StoredRelease } from "./swarm/PackageStore.ts"
export * as PieceHasher from "./swarm/PieceHasher.ts"
export * as PublishPackage from "./swarm/PublishPackage.ts"
export { type DownloadRequest, type Progress, Swarm } from "./swarm/Swarm.ts"
export * as SwarmErrors from "./swarm/SwarmError.ts"
export { SwarmError } from "./swarm/SwarmError.ts"
export * as Torrent from "./swarm/Torrent.ts"
export * as LockedRelease from "./trust/LockedRelease.ts"
export * as Pins from "./trust/Pins.ts"
export * as Revocation from "./trust/Revocation.ts"
export * as Trust from "./trust/Trust.ts"
export { TrustBook } from "./trust/TrustBook.ts"
export { TrustError } from "./trust/TrustError.ts"
export * as TrustedKeys from "./trust/TrustedKeys.ts"
