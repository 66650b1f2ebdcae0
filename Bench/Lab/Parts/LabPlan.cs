using System.Net;
using FastExit.Topology;

namespace FastExit.Bench.Lab.Parts;

/// <summary>Fills a lab's folder: everybody's keys, the exit's configuration, and who listens where. Nothing runs yet.</summary>
internal static class LabPlan
{
    /// <param name="lab">Keys that are there already stay.</param>
    /// <param name="exitBinary">The exit's program, which makes its own keys.</param>
    /// <param name="mixes">One for each layer.</param>
    /// <param name="entries">Entry gateways' mix links; the first is the one with a websocket.</param>
    /// <param name="exit">The exit's mix link.</param>
    /// <exception cref="LabException">The exit's program cannot be used, or two addresses are the same.</exception>
    public static async Task<(NetworkTopology Topology, ExitAddress Exit)> PrepareAsync(
        LabDirectory lab, string exitBinary, IReadOnlyList<IPEndPoint> mixes, IReadOnlyList<IPEndPoint> entries, IPEndPoint exit)
    {
        lab.CreateKeys();
        string address = exit.ToString();
        await ChildProcess.RunAsync(
            exitBinary,
            ["init", "--data-dir", lab.ExitDirectory, "--announce", address, "--listen", address, "--topology", lab.TopologyFile, "--rotation", "1", "--force"])
            .ConfigureAwait(false);
        string json = await ChildProcess.RunAsync(exitBinary, ["address", "--data-dir", lab.ExitDirectory, "--json"]).ConfigureAwait(false);
        ExitAddress described = ExitAddress.Parse(json);
        await File.WriteAllTextAsync(lab.ExitFile, json).ConfigureAwait(false);
        try
        {
            return (lab.WriteTopology(mixes, entries, described), described);
        }
        catch (Exception e) when (e is TopologyException or ArgumentException)
        {
            throw new LabException(e.Message);
        }
    }
}
