import "./mantine.css";
import "./app.css";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { newClient } from "./api/queries";
import { Gate } from "./frame/Gate";
import { startLanguages } from "./i18n";
import { theme, variables } from "./theme";

const place = document.getElementById("root");
if (!place) throw new Error("index.html has no element #root");
const client = newClient();

startLanguages().then(() => {
  createRoot(place).render(
    <StrictMode>
      <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto">
        <QueryClientProvider client={client}>
          <Notifications position="bottom-right" />
          <Gate />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
});
