import * as Layer from "effect/Layer"
import { TrustBook } from "../../../src/protocol/trust/TrustBook.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as TrustBookSuite from "./TrustBookSuite.ts"

TrustBookSuite.suite("memory", Layer.merge(TrustBook.layerMemory, ed25519))
