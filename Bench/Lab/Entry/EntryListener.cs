using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FastExit.Bench.Lab.Entry;

/// <summary>The websocket of an entry gateway, path <c>/</c>, for any number of clients that are processes of their own.</summary>
internal sealed class EntryListener : IAsyncDisposable
{
    private static readonly TimeSpan s_stopPatience = TimeSpan.FromSeconds(2);
    private readonly WebApplication _application;
    private readonly CancellationTokenSource _stop = new();
    private readonly EntryRoom _room;

    private EntryListener(WebApplication application, EntryRoom room)
    {
        _application = application;
        _room = room;
    }

    public EntryCounters Counters => _room.Counters;

    public KnownClients Clients => _room.Clients;

    public IPEndPoint Address { get; private set; } = null!;

    /// <param name="gateway">Started; it sends their packets and has what the mixnet answers.</param>
    /// <param name="keys">The gateway's.</param>
    /// <param name="address">Port 0 takes one that is free.</param>
    /// <param name="clientsFile">Where registrations are kept; null: with this object.</param>
    /// <exception cref="LabException">The address is taken, or the file cannot be read.</exception>
    public static async Task<EntryListener> StartAsync(
        EntryGateway gateway, NodeKeys keys, IPEndPoint address, string? clientsFile, EntrySettings settings, TimeProvider? clock = null)
    {
        var counters = new EntryCounters();
        var clients = new KnownClients(gateway, clientsFile, settings, counters);
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = s_stopPatience);
        builder.WebHost.ConfigureKestrel(options =>
        {
            options.Limits.KeepAliveTimeout = settings.UpgradeTimeout;
            options.Limits.RequestHeadersTimeout = settings.UpgradeTimeout;
            options.Limits.MaxConcurrentConnections = settings.MaximumConnections;
            options.Limits.MaxConcurrentUpgradedConnections = settings.MaximumConnections;
            options.Limits.MaxRequestBodySize = 0;
            options.Listen(address);
        });
        WebApplication application = builder.Build();
        var room = new EntryRoom(gateway, keys.IdentitySeed, settings, clients, counters) { Clock = clock ?? TimeProvider.System };
        var listener = new EntryListener(application, room);
        application.Run(listener.ServeAsync);
        try
        {
            await application.StartAsync().ConfigureAwait(false);
        }
        catch (IOException e)
        {
            await application.DisposeAsync().ConfigureAwait(false);
            throw new LabException($"the entry gateway cannot listen on {address}: {e.Message}; choose another address with --entry-ws");
        }

        string bound = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        listener.Address = new IPEndPoint(address.Address, new Uri(bound).Port);
        return listener;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        using var patience = new CancellationTokenSource(s_stopPatience);
        await _application.StopAsync(patience.Token).ConfigureAwait(false);
        await _application.DisposeAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task ServeAsync(HttpContext context)
    {
        if (context.Request.Path != "/")
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        if (await WebSocketUpgrade.AcceptAsync(context).ConfigureAwait(false) is not { } channel)
            return;
        _room.Counters.Add(EntryCounter.Connections);
        using (channel)
        {
            using var session = new EntrySession(channel, _room);
            await session.RunAsync(_stop.Token).ConfigureAwait(false);
        }
    }
}
