// Colours and sizes. The only colour on a screen is a state: everything else is ink on paper.
import { type CSSVariablesResolver, createTheme, defaultVariantColorsResolver, type MantineColorsTuple } from "@mantine/core";

const ink: MantineColorsTuple = [
  "#f4f5f6",
  "#e9ebed",
  "#d3d7db",
  "#b3b9c0",
  "#8d959e",
  "#69727c",
  "#4c545d",
  "#353c43",
  "#22272c",
  "#14171a",
];
const dark: MantineColorsTuple = [
  "#d9dde1",
  "#b9c0c7",
  "#98a1ab",
  "#5f6973",
  "#343b43",
  "#282e35",
  "#1c2126",
  "#14181c",
  "#0f1215",
  "#0a0c0e",
];

export const theme = createTheme({
  primaryColor: "ink",
  primaryShade: { light: 9, dark: 1 },
  // Ink is dark on light and light on dark; what stands on it turns round with it.
  variantColorResolver: (input) => {
    const colors = defaultVariantColorsResolver(input);
    // The pale shade that ink has in the dark would take the red out of a warning.
    if (input.variant === "outline" && input.color === "red")
      return { ...colors, color: "var(--danger)", border: "1px solid var(--danger)" };
    const isInk = !input.color || input.color === "ink";
    return input.variant === "filled" && isInk ? { ...colors, color: "var(--on-ink)" } : colors;
  },
  colors: { ink, dark },
  fontFamily: '"Inter Variable", system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", "Liberation Mono", "DejaVu Sans Mono", monospace',
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "20px" },
  defaultRadius: "sm",
  radius: { xs: "3px", sm: "6px", md: "8px", lg: "12px", xl: "20px" },
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    InputWrapper: { defaultProps: { inputWrapperOrder: ["label", "input", "description", "error"] } },
    Button: { defaultProps: { size: "xs", variant: "default" } },
    TextInput: { defaultProps: { size: "sm" } },
    PasswordInput: { defaultProps: { size: "sm" } },
    NumberInput: { defaultProps: { size: "sm" } },
    Textarea: { defaultProps: { size: "sm" } },
    Select: { defaultProps: { size: "sm", allowDeselect: false, checkIconPosition: "right" } },
    TagsInput: { defaultProps: { size: "sm" } },
    Checkbox: { defaultProps: { size: "xs" } },
    Tooltip: { defaultProps: { openDelay: 350, withArrow: false, events: { hover: true, focus: true, touch: false } } },
    Menu: { defaultProps: { shadow: "md", radius: "md", withInitialFocusPlaceholder: false } },
    Popover: { defaultProps: { shadow: "md", radius: "md" } },
    Modal: { defaultProps: { radius: "md", centered: true, transitionProps: { duration: 120 } } },
    Drawer: { defaultProps: { transitionProps: { duration: 140 } } },
  },
});

export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-body": "#ffffff",
    "--mantine-color-text": "#14171a",
    "--mantine-color-dimmed": "#5c656f",
    "--mantine-color-placeholder": "#69727c",
    "--mantine-color-default-border": "#d6dade",
    "--mantine-color-error": "#c92a2a",
  },
  dark: {
    "--mantine-color-body": "#14181c",
    "--mantine-color-text": "#e3e6e9",
    "--mantine-color-dimmed": "#98a1ab",
    "--mantine-color-placeholder": "#8b949e",
    "--mantine-color-default-border": "#343b43",
    "--mantine-color-error": "#ff8787",
  },
});
