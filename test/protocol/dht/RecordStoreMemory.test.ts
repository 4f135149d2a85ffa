import * as Layer from "effect/Layer"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as RecordStoreSuite from "./RecordStoreSuite.ts"

RecordStoreSuite.suite("memory", Layer.merge(RecordStore.layerMemory, ed25519))
