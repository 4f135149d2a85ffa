/**
 * Bugs that are put into the library on purpose, and what catches each: a scenario of the simulation with a
 * seed, or a property. A bug that nothing catches says that the simulation does not look where it should.
 *
 * To add one: write it down here with any `caughtBy`; `node test/mutation/Search.ts <name>` looks for the cheapest
 * scenario and seed that catch it, on Node 24. Where none does, a law or a scenario is missing. Seeds have to be looked
 * for again when the library or a scenario came to behave otherwise, and places when their text has changed: the
 * test says so. `node test/mutation/Search.ts --lost` does it for every bug that is not caught any more.
 */
import type { Change } from "./MutantSource.ts"
import type { Case, Property } from "./Case.ts"

export interface Mutant extends Change {
  /** What is wrong, in words. */
  readonly about: string
  readonly caughtBy: Case | Property
}

export const mutants: ReadonlyArray<Mutant> = [
  // What is signed
  {
    name: "record-signature-unchecked",
    about: "a record counts as signed, whatever its signature",
    file: "dht/Record.ts",
    find: "!ed25519.verify(item.signature, signedBytes(item.salt, item.seq, item.value), item.publicKey)",
    replace: "false",
    caughtBy: { scenario: "forgeries", seed: 1 }
  },
  {
    name: "claim-signature-unchecked",
    about: "a claim on a name counts as signed, whatever its signature",
    file: "registry/NameClaim.ts",
    find: "claim.fs <= claim.t && ed25519.verify(claim.s, signedBytes(name, claim), claim.k)",
    replace: "claim.fs <= claim.t",
    caughtBy: { scenario: "forgeries", seed: 1 }
  },
  {
    name: "tarball-hash-unchecked",
    about: "a tarball is taken that the publisher did not sign",
    file: "swarm/FetchRelease.ts",
    find: "if (actual !== expected)",
    replace: "if (false)",
    caughtBy: { scenario: "forgeries", seed: 1 }
  },
  {
    name: "manifest-hash-unchecked",
    about: "a manifest is taken that the publisher did not sign",
    file: "registry/Manifest.ts",
    find: "if (Hex.encode(sha256(bytes)) !== Hex.encode(release.m))",
    replace: "if (false)",
    caughtBy: { scenario: "forgeries", seed: 1 }
  },

  // Which of two is the newer
  {
    name: "older-record-wins",
    about: "of two records the one with the lower number counts",
    file: "dht/Record.ts",
    find: "self.seq > that.seq ? self : that",
    replace: "self.seq < that.seq ? self : that",
    caughtBy: { scenario: "skewed-clocks", seed: 1 }
  },
  {
    name: "seq-compared-with-at-least",
    about: "a record takes the place of another one under the same number",
    file: "dht/Record.ts",
    find: "Bytes.Order(self.value, that.value) >= 0 ? self : that",
    replace: "that",
    caughtBy: { scenario: "equivocation", seed: 2 }
  },
  {
    name: "store-overwrites",
    about: "the record store keeps whatever came last",
    file: "dht/RecordStore.ts",
    find: "known === undefined ? record : Record.newer(known, record)",
    replace: "record",
    caughtBy: { scenario: "power-cut", seed: 1 }
  },
  {
    name: "memory-not-asked",
    about: "what the network gives counts, also where this host has seen something newer",
    file: "registry/PackageLookup.ts",
    find: "[pair.local, pair.remote, handedOn, ...pair.rivals]",
    replace: "[pair.remote ?? pair.local, handedOn]",
    caughtBy: { scenario: "rollback", seed: 1 }
  },
  {
    name: "age-ignored",
    about: "nobody is told that a record is older than records may be",
    file: "registry/Freshness.ts",
    find: "age >= -CLOCK_SKEW_MAX_MS && age <= limitMs",
    replace: "age >= -CLOCK_SKEW_MAX_MS",
    caughtBy: { scenario: "freeze", seed: 1 }
  },

  // Two who write one record
  {
    name: "cas-forgotten",
    about: "a publisher's record is put over whatever came between",
    file: "registry/Revision.ts",
    find: "remote === undefined ? undefined : { cas: remote.seq }",
    replace: "undefined",
    caughtBy: { scenario: "last-word", seed: 29 }
  },
  {
    name: "lost-race-given-up",
    about: "a write that another machine's newer record refuses is not tried again",
    file: "registry/Revision.ts",
    find: `(reason.reason._tag === "CasConflict" || reason.reason._tag === "StaleSeq")`,
    replace: `reason.reason._tag === "CasConflict"`,
    caughtBy: { scenario: "last-word", seed: 33 }
  },
  {
    name: "rival-record-unseen",
    about: "what stands beside the newest record on other nodes is not joined with it after a lost race",
    file: "registry/Revision.ts",
    find: "isRaced ? [...rivals, ...older].slice(0, CONTESTED_MAX) : []",
    replace: "[]",
    caughtBy: { scenario: "last-word", seed: 38 }
  },
  {
    name: "merge-drops-versions",
    about: "where two machines published, the versions of one of them are dropped",
    file: "registry/Package.ts",
    find: ".filter(([version]) => !known.has(version))",
    replace: ".filter(() => false)",
    caughtBy: { scenario: "last-word", seed: 3 }
  },

  // Names
  {
    name: "claim-dropped-on-merge",
    about: "joining two sets of claims leaves out who is in one of them alone",
    file: "registry/NameClaim.ts",
    find: "if (known !== undefined && compare(claim, known) <= 0) continue",
    replace: "if (known === undefined || compare(claim, known) <= 0) continue",
    caughtBy: { scenario: "skewed-clocks", seed: 2 }
  },
  {
    name: "own-claims-forgotten",
    about: "once the shared record of a name is overwritten nobody puts back what he remembers",
    file: "registry/NameIndexRead.ts",
    find: "NameClaim.merge(NameClaim.merge(inNetwork, beside), memory.claims)",
    replace: "inNetwork",
    caughtBy: { scenario: "overwrite-war", seed: 2 }
  },
  {
    name: "peers-not-asked",
    about: "the claims that peers hand on are thrown away",
    file: "registry/NameIndexRead.ts",
    find: "const isAnswered = answered.length > 0",
    replace: "const isAnswered = false",
    caughtBy: { scenario: "overwrite-war", seed: 1 }
  },
  {
    name: "numbers-used-up",
    about: "whoever writes the last number into a name's record takes all numbers from everybody's memory",
    file: "registry/NameIndexMemory.ts",
    find: "found.networkSeq > SEQ_FOLLOWED_MAX ? 0 : found.networkSeq",
    replace: "found.networkSeq",
    caughtBy: { scenario: "overwrite-war", seed: 1 }
  },
  {
    name: "claimed-date-believed",
    about: "a squatter who claims an early date comes before the publisher who was seen first",
    file: "registry/Policy.ts",
    find: `ranking("firstSeen", observed, claimed)`,
    replace: `ranking("firstSeen", claimed)`,
    caughtBy: { scenario: "squatting", seed: 3 }
  },

  // Trust
  {
    name: "pin-ignored",
    about: "a pinned name is resolved as if it had no pin",
    file: "registry/Resolve.ts",
    find: "return pin === undefined\n",
    replace: "return pin !== null\n",
    caughtBy: { scenario: "stolen-key", seed: 3 }
  },
  {
    name: "pin-overwritten",
    about: "installing a package pins its name anew, whoever it was pinned to",
    file: "trust/Pins.ts",
    find: "if (known !== undefined) return [Result.succeed({ pin: known, isNew: false }), book]",
    replace: "",
    caughtBy: { scenario: "forgeries", seed: 1 }
  },
  {
    name: "revocation-ignored",
    about: "a key is used although it was revoked",
    file: "registry/ResolvePublisher.ts",
    find: "if (Option.isSome(revocation.revoked)) return",
    replace: "if (false) return",
    caughtBy: { scenario: "stolen-key", seed: 1 }
  },
  {
    name: "contradiction-unseen",
    about: "two releases of one version are not noticed",
    file: "registry/ReleaseLookup.ts",
    find: "=> !Release.sameContent(release, statements[0]!.release)",
    replace: "=> false",
    caughtBy: { scenario: "equivocation", seed: 1 }
  },
  {
    name: "proof-forgotten",
    about: "a version that was proved to be two is taken again",
    file: "registry/ReleaseLookup.ts",
    find: "if (Option.isSome(kept)) return",
    replace: "if (false) return",
    caughtBy: { scenario: "equivocation", seed: 9 }
  },

  // Versions
  {
    name: "yanked-version-chosen",
    about: "a version is chosen that its publisher took back",
    file: "registry/VersionList.ts",
    find: "self.entries.filter(([, flags]) => !has(flags, Package.Flag.yanked))",
    replace: "self.entries",
    caughtBy: { scenario: "skewed-clocks", seed: 1 }
  },
  {
    name: "ranges-forgotten",
    about: "a tree of dependencies has the newest version of each, whatever range was asked for",
    file: "registry/DependencyWalk.ts",
    find: `range.trim() === "" ? "*" : range`,
    replace: `"*"`,
    caughtBy: { scenario: "lossy-install", seed: 1 }
  },

  // Publishing
  {
    name: "claimed-before-stored",
    about: "a name is claimed before the release is in the network",
    file: "registry/Publish.ts",
    find: `  const first = yield* step(`,
    replace: `  yield* PublisherRecords.writeClaim(keyPair, release.n, release.v, { now, yields: true })
  const first = yield* step(`,
    caughtBy: { scenario: "half-published", seed: 1 }
  },
  {
    name: "date-drawn-anew",
    about: "a publication that was cut off goes on with another date, and so with another release",
    file: "swarm/PublishPackage.ts",
    find: "const isSame = (release: Release) => Bytes.Equivalence(release.h, tarballHash)",
    replace: "const isSame = (_: Release) => false",
    caughtBy: { scenario: "half-published", seed: 3 }
  },
  {
    name: "quorum-ignored",
    about: "a put counts, however few nodes took it",
    file: "dht/Quorum.ts",
    find: "const least = yield* needed",
    replace: "const least = yield* Effect.as(needed, 0)",
    caughtBy: { scenario: "half-published", seed: 1 }
  },
  {
    name: "half-put-claim-left",
    about: "a claim that few nodes took counts as published when the command is run again",
    file: "registry/NameIndexWrite.ts",
    find: "isSent || (progress.isClaim && current.responders.length < (yield* Quorum.needed))",
    replace: "isSent",
    caughtBy: { scenario: "half-published", seed: 4 }
  },

  // Keeping alive
  {
    name: "re-put-in-step",
    about: "whoever began together writes together ever after: pauses have no jitter",
    file: "registry/RePutSchedule.ts",
    find: "pauseMs * (1 - self.jitter * random)",
    replace: "pauseMs",
    caughtBy: { scenario: "power-cut", seed: 1 }
  },
  {
    name: "re-put-keeps-the-older",
    about: "a seeder goes on with the older record after it has seen the newer one",
    file: "registry/RePutNews.ts",
    find: "if (mayReplace(item)) yield*",
    replace: "if (false) yield*",
    caughtBy: { scenario: "power-cut", seed: 1 }
  },
  {
    name: "re-put-asleep",
    about: "nothing is ever due after the first look",
    file: "registry/RePutSchedule.ts",
    find: "now + bounded(self, pause(self, health, now, random))",
    replace: "now + 1e12",
    caughtBy: { scenario: "skewed-clocks", seed: 1 }
  },
  {
    name: "lost-records-not-put",
    about: "a look that finds too few holders is followed by nothing",
    file: "registry/RePutSchedule.ts",
    find: `holders < self.threshold ? "put" : "wait"`,
    replace: `"wait"`,
    caughtBy: { scenario: "power-cut", seed: 1 }
  },
  {
    name: "held-records-not-put",
    about: "what is well held is not put again before the nodes forget it",
    file: "registry/RePutSchedule.ts",
    find: `if (isDue(health, now)) return "put"`,
    replace: "",
    caughtBy: { scenario: "power-cut", seed: 7 }
  },

  // Looking up and storing
  {
    name: "few-answers-are-a-denial",
    about: "nothing heard from hardly anybody counts as nothing there",
    file: "dht/client/Session.ts",
    find: "isComplete && (answered >= ANSWERS_TO_DENY || 2 * answered >= asked)",
    replace: "true",
    caughtBy: { scenario: "unheard", seed: 16 }
  },
  {
    name: "late-node-given-up",
    about: "a node that is late is not asked once more",
    file: "dht/client/LookUp.ts",
    find: "this.#again >= AGAIN_MAX",
    replace: "this.#again >= 0",
    caughtBy: {
      property: "property-tests/DhtLookUp.test.ts",
      title: "finds what a single node holds, though every node misses the first question",
      seed: 1
    }
  },
  {
    name: "one-node-is-enough",
    about: "a look-up that may end early ends with the first record that it is given",
    file: "dht/client/HeardRecords.ts",
    find: "(count <= 1 || Networks.countHosts(newest.senders) >= count)",
    replace: "count > 0",
    caughtBy: {
      property: "property-tests/DhtLookUp.test.ts",
      title: "that may end early gives what so many nodes hold, or the newest that there is",
      seed: 1
    }
  },
  {
    name: "crowd-unnoticed",
    about: "nodes that stand too close to a target for chance are all that is asked and written to",
    file: "dht/client/NetworkSize.ts",
    find: ">= SUSPICIOUS_SHARE * expected",
    replace: ">= 0",
    caughtBy: {
      property: "property-tests/DhtLookUp.test.ts",
      title: "finds what was put while those closest to the target only said that they stored it",
      seed: 1
    }
  },
  {
    name: "item-hash-unchecked",
    about: "whatever a node gives as an immutable item is taken for it",
    file: "dht/client/ItemClient.ts",
    find: "value === undefined ? isItem(item.value, target) : Bytes",
    replace: "value === undefined ? true : Bytes",
    caughtBy: {
      property: "property-tests/DhtLookUp.test.ts",
      title: "finds the item that its target is the hash of, whatever the other nodes give in its place",
      seed: 1
    }
  },
  {
    name: "written-to-one-node",
    about: "a record is stored on the closest node alone",
    file: "dht/client/LookUp.ts",
    find: "spread.slice(0, width)",
    replace: "spread.slice(0, 1)",
    caughtBy: { scenario: "half-published", seed: 2 }
  },
  {
    name: "no-last-resort",
    about: "whoever hardly anybody answers does not go back to the nodes that it started from",
    file: "dht/client/LookUp.ts",
    find: "!this.#isLastResortTaken && this.#answered.size < ANSWERS_MIN",
    replace: "false",
    caughtBy: { scenario: "eclipse", seed: 2 }
  },
  {
    name: "rival-overlooked",
    about: "a write that nodes refuse for somebody else's counts where some others took it",
    file: "dht/client/RecordClient.ts",
    find: "if (!rival && holders",
    replace: "if (holders",
    caughtBy: { scenario: "last-word", seed: 15 }
  },

  // Time
  {
    name: "retries-past-the-deadline",
    about: "somebody waits for a try that cannot be made any more",
    file: "core/Retry.ts",
    find: "if (Option.isSome(left) && Duration.isLessThanOrEqualTo(left.value, pause)) return yield* Effect.fail(error)",
    replace: "",
    caughtBy: {
      property: "property-tests/Retry.test.ts",
      title: "never pauses past the deadline: it ends with its last error while there is time left",
      seed: 1
    }
  }
]
