/** Takes the place of the ws package in the browser build, where the platform's WebSocket is always there. */
export const WebSocket = globalThis.WebSocket;
