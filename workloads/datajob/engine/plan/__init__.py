"""What a run will do, decided from the job alone: named steps, fused steps, the plan as text. Nothing here opens data."""
