using FastExit.Bench.Lab;
using FastExit.Topology;

namespace FastExit.Bench.Client;

/// <summary>How a client finds its network: the directory's URL, and the entry gateway's identity (base58).</summary>
internal sealed record NetworkAddress(Uri Directory, string Gateway)
{
    /// <summary>Null: what the directory says.</summary>
    public Uri? Websocket { get; init; }

    /// <exception cref="LabException">The folder holds no running lab.</exception>
    public static NetworkAddress Of(LabDirectory lab)
    {
        LabFile file = LabFile.Read(lab.LabFile);
        if (file.Entry is null || file.Directory is null)
            throw new LabException($"the lab in {lab.Path} has no entry gateway or no directory");
        return new NetworkAddress(new Uri(file.Directory), file.Entry.Identity) { Websocket = new Uri(file.Entry.Websocket) };
    }
}

/// <summary>The network of one client: its nodes, which it follows as the directory changes, and the connection to its gateway.</summary>
internal sealed class ClientNetwork : IDisposable
{
    private static readonly TimeSpan s_refresh = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_readyPatience = TimeSpan.FromSeconds(15);
    private readonly DirectoryClient _directory;
    private readonly CancellationTokenSource _stop = new();
    private DirectoryView _view;
    private Task _following = Task.CompletedTask;

    private ClientNetwork(DirectoryClient directory, DirectoryView view, GatewayConnection gateway)
    {
        _directory = directory;
        _view = view;
        Gateway = gateway;
    }

    public NetworkTopology Topology => _view.Topology;

    public GatewayConnection Gateway { get; }

    /// <exception cref="LabException">The directory does not answer, or does not know the gateway.</exception>
    public static ClientNetwork Open(NetworkAddress address)
    {
        var directory = new DirectoryClient(address.Directory);
        try
        {
            DirectoryView view = Task.Run(() => directory.ReadAsync(CancellationToken.None)).GetAwaiter().GetResult();
            TopologyNode? gateway = view.Topology.Nodes.FirstOrDefault(node => SimpleBase.Base58.Bitcoin.Encode(node.Identity) == address.Gateway);
            Uri? websocket = address.Websocket ?? view.Websockets.GetValueOrDefault(address.Gateway);
            if (gateway is null || websocket is null)
                throw new LabException($"{address.Gateway} is no entry gateway in {address.Directory}");
            return new ClientNetwork(directory, view, new GatewayConnection(websocket, gateway.Identity, CommandText.Log));
        }
        catch
        {
            directory.Dispose();
            throw;
        }
    }

    /// <summary>Until the gateway has taken the client in.</summary>
    /// <exception cref="LabException">It did not.</exception>
    public void RequireReady()
    {
        try
        {
            if (Gateway.Ready.Wait(s_readyPatience))
                return;
        }
        catch (AggregateException)
        {
            // Said below.
        }

        throw new LabException("the entry gateway does not take this client in");
    }

    /// <summary>From now on <paramref name="use"/> hears of every change; it may throw <see cref="ArgumentException"/>.</summary>
    public void Follow(Action<NetworkTopology> use) => _following = FollowAsync(use);

    public void Dispose()
    {
        _stop.Cancel();
        _following.GetAwaiter().GetResult();
        Gateway.Dispose();
        _directory.Dispose();
        _stop.Dispose();
    }

    private async Task FollowAsync(Action<NetworkTopology> use)
    {
        using var timer = new PeriodicTimer(s_refresh);
        string said = "";
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false))
            {
                try
                {
                    DirectoryView view = await _directory.ReadAsync(_stop.Token).ConfigureAwait(false);
                    if (!view.IsLike(_view))
                        use(view.Topology);
                    _view = view;
                    said = "";
                }
                catch (Exception e) when (e is LabException or ArgumentException)
                {
                    if (said != e.Message)
                        CommandText.Log($"the nodes stay as they were: {e.Message}");
                    said = e.Message;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }
}
