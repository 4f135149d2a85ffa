/**
 * What a simulated machine has on disk: every store of a host. It outlives the processes that use it.
 * A process sees the stores through its `Device`; laws and maps look at them directly.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { Ed25519 } from "../../core/Ed25519.ts"
import { Keystore, KeystoreError, KeystoreUnavailable } from "../../core/Keystore.ts"
import { PageStore, PageStoreError } from "../../dht/PageStore.ts"
import { RecordStore, RecordStoreError } from "../../dht/RecordStore.ts"
import { Observations, ObservationsError } from "../../registry/Observations.ts"
import { Proofs, ProofsError } from "../../registry/Proofs.ts"
import { PublicationLog } from "../../registry/PublicationLog.ts"
import { PublicationLogUnavailable, TrustUnavailable } from "../../registry/RegistryError.ts"
import { Blacklist, BlacklistError } from "../../swarm/Blacklist.ts"
import { type Content, StorageFailed } from "../../swarm/Content.ts"
import { PackageStore } from "../../swarm/PackageStore.ts"
import { TrustBook } from "../../trust/TrustBook.ts"
import * as KeystoreMemory from "../KeystoreMemory.ts"
import * as PackageStoreMemory from "../PackageStoreMemory.ts"
import type { Device } from "./Device.ts"

export type Stores =
  | Keystore
  | RecordStore
  | PageStore
  | Observations
  | Proofs
  | PublicationLog
  | TrustBook
  | Blacklist
  | PackageStore

/** The stores as they are, without the device in between. */
export type Disk = Context.Context<Stores>

/** An empty disk. Its keys are drawn when they are made, from the chance of whoever makes them. */
export const make = (ed25519: Ed25519["Service"]): Disk =>
  Effect.runSync(
    Effect.scoped(
      Layer.build(
        Layer.mergeAll(
          Layer.fresh(KeystoreMemory.layer).pipe(Layer.provide(Layer.succeed(Ed25519, ed25519))),
          Layer.fresh(RecordStore.layerMemory),
          Layer.fresh(PageStore.layerMemory),
          Layer.fresh(Observations.layerMemory),
          Layer.fresh(Proofs.layerMemory),
          Layer.fresh(PublicationLog.layerMemory),
          Layer.fresh(TrustBook.layerMemory),
          Layer.fresh(Blacklist.layerMemory),
          Layer.fresh(PackageStoreMemory.layer)
        )
      )
    )
  )

const records = (disk: Disk, device: Device, location: string) => {
  const raw = Context.get(disk, RecordStore)
  const fail = (problem: string) => new RecordStoreError({ location, problem })
  return RecordStore.of({
    remember: (record) => device.write(`record seq ${record.seq}`, raw.remember(record), fail),
    find: (publicKey, salt) => device.read(raw.find(publicKey, salt), fail),
    all: device.read(raw.all, fail)
  })
}

const pages = (disk: Disk, device: Device, location: string) => {
  const raw = Context.get(disk, PageStore)
  const fail = (problem: string) => new PageStoreError({ location, problem })
  return PageStore.of({
    keep: (kept) => device.write(`${kept.length} pages`, raw.keep(kept), fail),
    find: (target) => device.read(raw.find(target), fail),
    targets: device.read(raw.targets, fail),
    drop: (targets) => device.write(`${targets.length} pages dropped`, raw.drop(targets), fail)
  })
}

const observations = (disk: Disk, device: Device, location: string) => {
  const raw = Context.get(disk, Observations)
  const fail = (problem: string) => new ObservationsError({ location, problem })
  return Observations.of({
    of: (name) => device.read(raw.of(name), fail),
    note: (name, publishers, now) => device.write(`publishers of ${name}`, raw.note(name, publishers, now), fail)
  })
}

const proofs = (disk: Disk, device: Device, location: string) => {
  const raw = Context.get(disk, Proofs)
  const fail = (problem: string) => new ProofsError({ location, problem })
  return Proofs.of({
    keep: (proof) => device.write(`proof against ${proof.name}@${proof.version}`, raw.keep(proof), fail),
    find: (publisher, name, version) => device.read(raw.find(publisher, name, version), fail),
    all: device.read(raw.all, fail)
  })
}

const publicationLog = (disk: Disk, device: Device, location: string) => {
  const raw = Context.get(disk, PublicationLog)
  const fail = (problem: string) => new PublicationLogUnavailable({ location, problem })
  return PublicationLog.of({
    find: (publisher, name, version) => device.read(raw.find(publisher, name, version), fail),
    note: (draft) =>
      device.write(`${draft.release.n}@${draft.release.v} is ${draft.done.at(-1) ?? "begun"}`, raw.note(draft), fail),
    finish: (publisher, name, version) =>
      device.write(`${name}@${version} is published`, raw.finish(publisher, name, version), fail),
    all: device.read(raw.all, fail)
  })
}

const trustBook = (disk: Disk, device: Device, location: string) => {
  const raw = Context.get(disk, TrustBook)
  const fail = (problem: string) => new TrustUnavailable({ location, problem })
  return TrustBook.of({
    read: device.read(raw.read, fail),
    update: (change) => device.write("trust book", raw.update(change), fail)
  })
}

const blacklist = (disk: Disk, device: Device, location: string) => {
  const raw = Context.get(disk, Blacklist)
  const fail = (problem: string) => new BlacklistError({ location, problem })
  return Blacklist.of({
    add: (entry) => device.write("refused release", raw.add(entry), fail),
    find: (infohash, publisher) => device.read(raw.find(infohash, publisher), fail),
    remove: (infohash, publisher) => device.write("refused release cleared", raw.remove(infohash, publisher), fail),
    all: device.read(raw.all, fail)
  })
}

const keystore = (disk: Disk, device: Device, location: string) => {
  const raw = Context.get(disk, Keystore)
  const fail = (problem: string) => new KeystoreError({ reason: new KeystoreUnavailable({ location, problem }) })
  return Keystore.of({
    create: (name) => device.write(`key ${name}`, raw.create(name), fail),
    load: (name) => device.read(raw.load(name), fail),
    list: device.read(raw.list, fail)
  })
}

const packages = (disk: Disk, device: Device, location: string) => {
  const raw = Context.get(disk, PackageStore)
  const failTo = (operation: string) => (problem: string) => new StorageFailed({ location, operation, problem })
  const through = (content: Content): Content => ({
    read: (offset, length) => device.read(content.read(offset, length), failTo("read")),
    write: (offset, chunk) =>
      device.write(`${chunk.length} bytes at ${offset}`, content.write(offset, chunk), failTo("write"))
  })
  // Who holds a reservation and is killed holds it no longer: it is the process's, not the disk's.
  const reservations = new Map<string, Semaphore.Semaphore>()
  return PackageStore.of({
    reserve: (infohash) => {
      const key = Hex.encode(infohash)
      const reservation = reservations.get(key) ?? Semaphore.makeUnsafe(1)
      reservations.set(key, reservation)
      return Effect.asVoid(Effect.acquireRelease(reservation.take(1), () => reservation.release(1)))
    },
    stage: (torrent) =>
      device.write(`place for ${torrent.name}`, Effect.map(raw.stage(torrent), through), failTo("write")),
    discard: (torrent) => device.write(`${torrent.name} discarded`, raw.discard(torrent), failTo("remove")),
    restage: (stored) => device.write(`copy of ${stored.torrent.name}`, raw.restage(stored), failTo("write")),
    commit: (stored) =>
      device.write(`release ${stored.release.n}@${stored.release.v}`, raw.commit(stored), failTo("commit")),
    find: (publisher, name, version) => device.read(raw.find(publisher, name, version), failTo("read")),
    list: device.read(raw.list, failTo("list")),
    keys: device.read(raw.keys, failTo("list")),
    get: (key) => device.read(raw.get(key), failTo("read")),
    touch: (stored) => device.write(`use of ${stored.torrent.name}`, raw.touch(stored), failTo("touch")),
    remove: (stored) =>
      device.write(`release ${stored.release.n}@${stored.release.v} removed`, raw.remove(stored), failTo("remove")),
    open: (stored) => device.read(Effect.map(raw.open(stored), through), failTo("open"))
  })
}

/** The stores as one process uses them. */
export const layer = (disk: Disk, device: Device, location: string): Layer.Layer<Stores> =>
  Layer.suspend(() =>
    Layer.succeedContext(
      Context.mergeAll(
        Context.make(Keystore, keystore(disk, device, location)),
        Context.make(RecordStore, records(disk, device, location)),
        Context.make(PageStore, pages(disk, device, location)),
        Context.make(Observations, observations(disk, device, location)),
        Context.make(Proofs, proofs(disk, device, location)),
        Context.make(PublicationLog, publicationLog(disk, device, location)),
        Context.make(TrustBook, trustBook(disk, device, location)),
        Context.make(Blacklist, blacklist(disk, device, location)),
        Context.make(PackageStore, packages(disk, device, location))
      )
    )
  )
