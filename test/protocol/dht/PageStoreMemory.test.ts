import { PageStore } from "../../../src/protocol/dht/PageStore.ts"
import * as PageStoreSuite from "./PageStoreSuite.ts"

PageStoreSuite.suite("memory", PageStore.layerMemory)
