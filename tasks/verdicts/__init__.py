"""What a verdict on other tools' results needs: items matched, replies judged, items grouped. For `tasks.verdict`."""
