import * as Layer from "effect/Layer"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import * as KeystoreMemory from "../../../src/protocol/testing/KeystoreMemory.ts"
import * as KeystoreSuite from "./KeystoreSuite.ts"

KeystoreSuite.suite("memory", KeystoreMemory.layer.pipe(Layer.provideMerge(Ed25519.layerNoble)))
