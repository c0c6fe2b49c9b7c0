// Shows the API document with Swagger UI. What one signs in with stays in this tab's memory.
window.ui = SwaggerUIBundle({
  url: document.querySelector("meta[name=openapi]").content,
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  presets: [SwaggerUIBundle.presets.apis],
});
