// Starts GraphiQL against the endpoint that the page names; a file of its own because the policy forbids inline scripts.
(() => {
  const root = document.getElementById("graphiql");
  const send = GraphiQL.createFetcher({ url: root.dataset.endpoint });
  const fetcher = (operation, options) => {
    const headers = { ...options?.headers };
    // The editor starts with the header's name filled in; without a token the request is anonymous, not wrong.
    if (/^(Bearer)?\s*$/i.test(headers.Authorization ?? "")) delete headers.Authorization;
    return send(operation, { ...options, headers });
  };
  ReactDOM.createRoot(root).render(
    React.createElement(GraphiQL, {
      fetcher,
      // A token is as good as a password: it stays in the page's memory and out of the browser's storage.
      shouldPersistHeaders: false,
      isHeadersEditorEnabled: true,
      defaultEditorToolsVisibility: "headers",
      defaultHeaders: '{\n  "Authorization": "Bearer "\n}',
    }),
  );
})();
