using FastExit.Commands;

return await CommandLine.RunAsync(args, ExitServices.Start).ConfigureAwait(false);
